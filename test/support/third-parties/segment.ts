import { type Got, jsonOf, type Reply, type Service } from './service.ts';

const TOKEN = 'sgp_Xy2tWQCy7cA1WkZgW7nS5e';
const TYPES = [
  'DELETE_INTERNAL',
  'DELETE_ONLY',
  'SUPPRESS_ONLY',
  'SUPPRESS_WITH_DELETE',
  'SUPPRESS_WITH_DELETE_INTERNAL',
  'UNSUPPRESS',
];

const failed = (status: number, type: string, message: string): Reply => ({
  status,
  body: { errors: [{ type, message }] },
});

/** https://docs.segmentapis.com/tag/Deletion-and-Suppression: createWorkspaceRegulation and getRegulation. */
export function segment(): Service {
  const users = new Set<string>();
  const regulations = new Map<string, { status: string; subjects: string[] }>();
  return {
    origin: 'https://api.segmentapis.com',
    env: { SEGMENT_TOKEN: TOKEN },
    add: (who) => void users.add(who),
    has: (who) => users.has(who),
    work: () => {
      for (const regulation of regulations.values()) {
        regulation.status = 'FINISHED';
        for (const subject of regulation.subjects) users.delete(subject);
      }
    },
    reply(got: Got): Reply {
      const { method, path, headers } = got;
      if (headers.authorization !== `Bearer ${TOKEN}`) return failed(401, 'unauthorized', 'The token is not valid');
      const [resource, id] = path;
      if (resource !== 'regulations') return failed(404, 'not-found', 'Resource not found');
      const known = id === undefined ? undefined : regulations.get(id);
      if (method === 'GET')
        return known
          ? {
              status: 200,
              body: { data: { regulation: { id, workspaceId: 'a', overallStatus: known.status, streamStatus: [] } } },
            }
          : failed(404, 'not-found', 'Resource not found');
      const body = jsonOf(got) as Record<string, unknown> | undefined;
      const { regulationType, subjectType, subjectIds } = body ?? {};
      if (!TYPES.includes(String(regulationType)) || !['USER_ID', 'OBJECT_ID'].includes(String(subjectType)))
        return failed(422, 'validation', 'regulationType or subjectType is invalid');
      if (!Array.isArray(subjectIds) || subjectIds.length === 0 || subjectIds.length > 5_000)
        return failed(422, 'validation', 'subjectIds is invalid');
      const regulateId = `1qJkfE1tpwvQcklImGksLN629w${regulations.size}`;
      regulations.set(regulateId, { status: 'INITIALIZED', subjects: subjectIds.map(String) });
      return { status: 200, body: { data: { regulateId } }, headers: { 'x-regulation-ratelimit-remaining': '99' } };
    },
  };
}
