import { type Got, jsonOf, type Reply, type Service } from './service.ts';

const TOKEN = '591b3354bb2bdd96f72f23bf56911673';
const OAUTH = 'vZcErNw8JCq42BZUJyWoZmDWCKBxXc';

const failed = (status: number, error: string): Reply => ({ status, body: { status: 'error', error } });

/** https://docs.mixpanel.com/reference/gdpr-api: jobs that take up to 30 days. */
export function mixpanel(): Service {
  const people = new Set<string>();
  const jobs = new Map<string, { status: string; ids: string[] }>();
  return {
    origin: 'https://mixpanel.com',
    env: { MIXPANEL_TOKEN: TOKEN, MIXPANEL_OAUTH_TOKEN: OAUTH },
    add: (who) => void people.add(who),
    has: (who) => people.has(who),
    work: () => {
      for (const job of jobs.values()) {
        job.status = 'SUCCESS';
        for (const id of job.ids) people.delete(id);
      }
    },
    reply(got: Got): Reply {
      const { method, path, query, headers } = got;
      if (headers.authorization !== `Bearer ${OAUTH}`) return failed(401, 'Invalid OAuth token');
      if (query.get('token') !== TOKEN) return failed(403, 'Invalid project token');
      if (path.slice(0, 4).join('/') !== 'api/app/data-deletions/v3.0') return failed(404, 'Not found');
      const job = path[4] ? jobs.get(path[4]) : undefined;
      if (method === 'GET')
        return job
          ? { status: 200, body: { status: 'ok', results: { status: job.status, result: '', distinct_ids: job.ids } } }
          : { status: 200, body: { status: 'ok', results: { status: 'NOT_FOUND' } } };
      const body = jsonOf(got) as { distinct_ids?: unknown; compliance_type?: unknown } | undefined;
      const ids = body?.distinct_ids;
      if (method !== 'POST' || !Array.isArray(ids) || ids.length === 0 || ids.length > 1_999)
        return failed(400, 'distinct_ids must be a list of at most 1999');
      if (!['GDPR', 'CCPA', undefined].includes(body?.compliance_type as string)) return failed(400, 'compliance_type');
      const tracking = `158379293471939${jobs.size}`;
      jobs.set(tracking, { status: 'PENDING', ids: ids.map(String) });
      const begun = {
        status: 'PENDING',
        disclosure_type: 'DATA',
        date_requested: '2026-11-28T07:28:55.078315',
        tracking_id: tracking,
        project_id: 1978118,
        compliance_type: 'gdpr',
        destination_url: null,
        requesting_user: 'ops@example.com',
        distinct_id_count: ids.length,
      };
      return { status: 200, body: { status: 'ok', results: [begun] } };
    },
  };
}
