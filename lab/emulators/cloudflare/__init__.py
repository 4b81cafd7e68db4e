"""Cloudflare API v4 for zones and DNS records, emulated (developers.cloudflare.com/api)."""
