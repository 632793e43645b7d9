"""What moves and what is held: bytes, bandwidth, memory.

A Subject in; a figure, a caption and a text twin out.
"""
