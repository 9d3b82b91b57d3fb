"""The driver: connections, warm-up and counted rounds of one scenario, in lockstep with the server."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from benchmarks.cost.client import Client, SecureClient
from benchmarks.cost.lockstep import FailedError, Gate
from benchmarks.cost.scenarios import Scenario


def drive(gate: Gate, port: int, scenario: Scenario, context: ssl.SSLContext | None) -> None:
    """Run the whole scenario. Start before the server has arrived at the gate."""
    gate.arrived()
    clients: Sequence[Client] = []
    if not scenario.short:
        clients = connected(gate, port, scenario, context)
    for _ in range(scenario.warm_up):
        one_round(gate, port, scenario, clients, context)
    gate.begin()
    for _ in range(scenario.rounds):
        one_round(gate, port, scenario, clients, context)
    gate.end()
    for client in clients:
        client.close()


def connected(gate: Gate, port: int, scenario: Scenario, context: ssl.SSLContext | None) -> Sequence[Client]:
    """Open the connections. With TLS, complete their handshakes."""
    if context is None:
        clients = [Client(port) for _ in range(scenario.connections)]
        gate.turn()
        return clients
    secure = [SecureClient(port, context) for _ in range(scenario.connections)]
    while True:
        complete = [client.handshake() for client in secure]
        deliver(gate, secure)
        if all(complete):
            return secure
        for client in secure:
            client.take_flight()


def one_round(
    gate: Gate, port: int, scenario: Scenario, clients: Sequence[Client], context: ssl.SSLContext | None
) -> None:
    if scenario.short and context is None:
        clients = [Client(port) for _ in range(scenario.connections)]
    elif scenario.short:
        clients = connected(gate, port, scenario, context)
    request = scenario.request * scenario.pipelined
    for client in clients:
        client.send(request)
    deliver(gate, clients)
    for client in clients:
        if client.receive(len(request)) != request:
            raise FailedError("the response of the server differs from the request")
        if scenario.short:
            client.expect_end()
            client.close()


def deliver(gate: Gate, clients: Sequence[Client]) -> None:
    """Let the server run after all data has reached its sockets."""
    for client in clients:
        client.wait_delivered()
    gate.turn()
