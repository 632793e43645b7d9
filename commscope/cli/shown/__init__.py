"""What a terminal shows: answers by its width, and a bar while one waits."""
