//! Ways to a receiver: syslog over TCP (RFC 6587) and TLS (RFC 5425).
