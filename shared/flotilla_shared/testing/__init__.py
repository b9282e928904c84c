"""What tests of every room share: leak checks, certificates, ports. Installed with the extra `testing`."""
