"""Pictures of graphs, drawn with Graphviz."""
