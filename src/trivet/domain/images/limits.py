"""Default limits of what this room counts; the sizes are in MiB."""

LIMITS = {
    "image_count_total": 1000,
    "image_count_uploading": 50,
    "image_size_total": 1 << 20,
    "image_stage_total": 1 << 20,
}
