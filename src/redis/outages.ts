import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import type { RedisClient } from './open.ts';

/** What ioredis emits; those of a cluster's nodes are emitted by a Cluster only. */
type Emits = {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'node error', listener: (error: Error, node: string) => void): unknown;
  on(event: 'ready', listener: () => void): unknown;
  on(event: '+node', listener: (node: Redis) => void): unknown;
};

/**
 * One line when Redis, or one node of its cluster, goes away and one when it is back, instead of one per attempt.
 * A cluster stays `ready` while one of its nodes is away, so its return is told by the node itself.
 */
export function watchOutages(redis: RedisClient, log: Logger) {
  const emits = redis as Emits;
  const away = new Set<string>();
  const listeners: (() => void)[] = [];
  let met = false;
  const naming = (node: string) => (node === '' ? {} : { node });
  const report = (error: Error, node = '') => {
    // A refused sign-in (`WRONGPASS …`) says so in its text only.
    const { code = /^[A-Z]{4,}\b/.exec(error.message)?.[0] ?? error.name } = error as NodeJS.ErrnoException;
    if (!away.has(node)) log.warn({ ...naming(node), code }, 'Redis is away');
    away.add(node);
  };
  const isBack = (node = ''): boolean => {
    const was = away.delete(node);
    if (was) log.info(naming(node), 'Redis is back');
    return was;
  };
  const tell = () => {
    for (const listener of listeners) listener();
  };
  emits.on('error', (error) => report(error));
  emits.on('node error', report);
  emits.on('ready', () => {
    met = true;
    isBack();
    tell();
  });
  emits.on('+node', (node) => {
    (node as Emits).on('ready', () => {
      if (isBack(`${node.options.host}:${node.options.port}`)) tell();
    });
  });
  return {
    /** What a queue tells of the connection. While that is being made it is no news: whether it can be, the connection tells itself. */
    report: (error: Error) => {
      if (met) report(error);
    },
    onReady: (listener: () => void) => void listeners.push(listener),
  };
}
