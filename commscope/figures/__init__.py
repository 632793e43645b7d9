"""One chart a file, pure: Analysis | Comparison -> plotly Figure, with a caption and a text twin."""
