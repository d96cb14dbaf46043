"""TensorFlow and Keras sources: served by a child process, so that no other imports TensorFlow.

``client.py`` is the parent's side and light; ``child.py`` and what it imports is the child's.
"""
