"""Taking secrets and people out of text before it is written: keys, mail addresses, homes, hosts, names."""
