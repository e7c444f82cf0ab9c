"""The main job, shown and checked for real: hosts in private network namespaces, and the scenes played on them.

Talks to nodes only as an operator would, by starting programs; imports nothing of the node.
"""
