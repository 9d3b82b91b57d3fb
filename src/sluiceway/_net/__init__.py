"""Layer 3: sockets before they have a transport (resolve, connect, bind, accept), and addresses as text."""
