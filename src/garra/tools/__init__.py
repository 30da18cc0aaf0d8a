"""What the agent can do: one file a tool, and the toolbox that runs them.

`toolbox` holds Toolbox and `default_toolbox`, `base` the values and the Tool protocol, `approval` the question that a
person is asked, `permission` when it is asked.
"""
