"""Who waits for whom, and for how long.

A Subject in; a figure, a caption and a text twin out.
"""
