"""Services, endpoints, regions and what was once kept beside them."""
