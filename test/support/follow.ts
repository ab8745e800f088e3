import http from 'node:http';
import { createParser } from 'eventsource-parser';

export type Seen = { event: string; id: string | undefined; data: Record<string, unknown> };

export type Follower = {
  status: number;
  headers: http.IncomingHttpHeaders;
  events: Seen[];
  comments: string[];
  retries: number[];
  /** What came that is no event: a problem's JSON. */
  text: () => string;
  /** `clean`: the server said that this was all. `cut`: the connection was lost. */
  ended: () => 'clean' | 'cut' | undefined;
  leave: () => void;
};

/** Follows an erasure's events, each viewer on a connection of its own. Resolves with the headers. */
export function follow(
  url: string,
  options: { auth?: string | undefined; headers?: Record<string, string>; method?: string } = {},
): Promise<Follower> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      {
        agent: false,
        method: options.method ?? 'GET',
        headers: { ...(options.auth ? { Authorization: options.auth } : {}), ...options.headers },
      },
      (response) => {
        const events: Seen[] = [];
        const comments: string[] = [];
        const retries: number[] = [];
        let text = '';
        let end: 'clean' | 'cut' | undefined;
        const stream = /event-stream/.test(response.headers['content-type'] ?? '');
        const parser = createParser({
          onEvent: (e) => events.push({ event: String(e.event), id: e.id, data: JSON.parse(e.data) }),
          onComment: (comment) => comments.push(comment.trim()),
          onRetry: (ms) => retries.push(ms),
        });
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (stream) parser.feed(chunk);
          else text += chunk;
        });
        response.on('error', () => {});
        response.on('close', () => {
          end = response.complete ? 'clean' : 'cut';
        });
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          events,
          comments,
          retries,
          text: () => text,
          ended: () => end,
          leave: () => request.destroy(),
        });
      },
    );
    request.on('error', reject);
    request.end();
  });
}
