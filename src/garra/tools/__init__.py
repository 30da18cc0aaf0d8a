"""What the agent can do: one file a tool, and the toolbox that runs them."""
