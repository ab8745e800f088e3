import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const SWEEP_MS = 100;

/**
 * Watches a server's connections, so that it can end without losing an answer and without waiting for clients.
 * The `close` it gives takes no more connections, lets begun requests be answered, with `Connection: close`, and
 * closes every connection that has none. Resolves with false when `deadline` did first: the rest was cut off.
 * Node's own `closeIdleConnections` passes over a connection that has not said anything yet, and looks only once.
 */
export function prepareClosing(server: Server): (deadline: Promise<unknown>) => Promise<boolean> {
  const sockets = new Set<Socket>();
  const answers = new Map<Socket, ServerResponse>();
  let closing = false;
  const markLast = (answer: ServerResponse) => {
    if (!answer.headersSent) answer.setHeader('Connection', 'close');
  };
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Before the application's: its answer may be written at once.
  server.prependListener('request', ({ socket }, answer) => {
    answers.set(socket, answer);
    // One that was sent ahead may have taken its place.
    answer.once('close', () => answers.get(socket) === answer && answers.delete(socket));
    if (closing) markLast(answer);
  });
  const sweep = () => {
    for (const socket of sockets) if (!answers.has(socket)) socket.destroy();
  };
  return async (deadline) => {
    closing = true;
    for (const answer of answers.values()) markLast(answer);
    const closed = new Promise<true>((resolve) => server.close(() => resolve(true)));
    // Not at once: who has just connected gets the time to ask.
    const sweeping = setInterval(sweep, SWEEP_MS);
    const clean = await Promise.race([closed, deadline.then(() => false)]);
    clearInterval(sweeping);
    server.closeAllConnections();
    return clean;
  };
}
