"""Math answers: exact rules in the server, computer algebra in jailed workers.

Reading order: `latex` (harmless rewriting), `tree` (what an answer can be), `reading`
(text to tree, with `exact` for numbers, `units` for what stands around a value,
`identities` for expressions, `guards` for what is never handed on), `judge` (the rules),
`quick` (without computer algebra), `symbolic` (math-verify), `worker` (the jailed half),
`verifier` (one request, one verdict).
"""
