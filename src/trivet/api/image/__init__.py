"""The image dialect, v2: images, their bytes, members, tags, imports, tasks, schemas and metadata definitions."""
