"""What the agent can do: one file a tool, and the toolbox that runs them.

`base` holds the values and the Tool protocol, `toolbox` the Toolbox, `default` what a session gets (`default_toolbox`),
`permission` asking and `nobody`.
"""
