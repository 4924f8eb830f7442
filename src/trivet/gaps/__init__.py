"""The executable gap register: what clouds for network functions lack, and what we can show to have closed."""
