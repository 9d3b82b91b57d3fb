"""Layer 3: sockets before a transport has them: resolve, connect, bind, accept; and how addresses are written."""
