"""Layer 3: sockets before they have a transport: resolve, connect, bind and accept; and addresses in messages."""
