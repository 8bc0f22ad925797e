"""One module a resource; each makes a router from what it needs."""
