"""Objects: containers of them, who may reach them, their bytes on the way in and out, and what is left behind."""
