"""What the person wrote: paths, JSON5, includes, variables, schema, comment-keeping edits."""
