"""What an object store can do, told where its clients look for it: at the root."""
