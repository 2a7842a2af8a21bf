"""The napari layers of an image: what is shown of labels and state, and what the hand does on them. No Qt."""
