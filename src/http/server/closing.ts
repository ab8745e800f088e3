import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const SWEEP_MS = 100;

/**
 * Watches a server's connections, so that it can end without losing an answer and without waiting for clients.
 * It gives `close`, which takes no more connections and closes every connection without a request. Requests that have
 * begun are answered, with `Connection: close`. It resolves with false when `deadline` came first: the rest was cut off.
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
  // This listener runs before the application's, which may write its answer at once.
  server.prependListener('request', ({ socket }, answer) => {
    answers.set(socket, answer);
    // A request that was sent ahead may have taken its place.
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
    // Not at once: a client that has just connected gets the time to ask.
    const sweeping = setInterval(sweep, SWEEP_MS);
    const clean = await Promise.race([closed, deadline.then(() => false)]);
    clearInterval(sweeping);
    server.closeAllConnections();
    return clean;
  };
}
