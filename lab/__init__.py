"""The whole world on one machine: hosts, DNS, emulated providers, receiving mail servers."""
