/** Routes of the page for people: the page itself, what it tells of this controller, and signing for it in a demo. */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { aboutSchema, aboutView } from '../views/about-view.ts';
import { type Call, matchesTag, type Reply, type Route, route } from './route.ts';

const signBody = z.strictObject({
  as: z.string().max(64).describe('a demo tenant, or admin'),
  job: z.unknown().optional().describe('the job, when a request is signed'),
  kind: z.enum(['token', 'request']),
});

/** Requests that a page of this very server could have sent. A name that resolves to us from elsewhere is not ours. */
function isFromThePage({ header }: Call): boolean {
  const host = header('host') ?? '';
  const isOwnName = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
  const site = header('sec-fetch-site');
  return isOwnName && (site === null || site === 'same-origin');
}

export const pageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/',
    auth: 'none',
    summary: 'The page for people',
    responses: [
      { status: 200, what: 'HTML, whole in itself', type: 'text/html; charset=utf-8' },
      { status: 304, what: 'the page of this tag is the present one' },
    ],
    handle: async ({ parts, header }): Promise<Reply> => {
      const { html, policy, etag } = await parts.page();
      const headers = { 'cache-control': 'no-cache', 'content-security-policy': policy, etag };
      if (matchesTag(header('if-none-match'), etag)) return { status: 304, body: null, headers };
      return { status: 200, text: html, type: 'text/html; charset=utf-8', headers };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/about',
    auth: 'tenant',
    summary: 'What kind of controller this is: version, durability, what stands behind its slots',
    query: z.strictObject({}),
    responses: [{ status: 200, what: 'about it', schema: aboutSchema }],
    handle: async ({ life, parts }) => {
      // Retired facts can't be read; then the log is known by its later ones.
      const [first] = await life.log.read(1, 1).catch(() => []);
      const { version, demoNames } = parts.about;
      return {
        status: 200,
        body: aboutView(life, {
          version,
          demo: demoNames.length > 0,
          demoTenants: [...demoNames],
          log: first?.hash ?? null,
        }),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/demo/sign',
    auth: 'none',
    summary:
      'Signs for a demo tenant or the operator; there with `--demo` on loopback alone, for the page of this server',
    body: { kind: 'json', schema: signBody },
    responses: [{ status: 200, what: 'compact JWS', schema: z.strictObject({ jws: z.string() }) }],
    problems: ['ERR_NOT_FOUND', 'ERR_FORBIDDEN'],
    handle: async (call) => {
      const { parts, body } = call;
      if (!parts.demoSign)
        throw new BerthError('ERR_NOT_FOUND', 'this controller runs without --demo, or not on loopback');
      if (!isFromThePage(call))
        throw new BerthError('ERR_FORBIDDEN', 'only the page of this server may ask for this');
      const jws = await parts.demoSign(body);
      if (jws === null) throw new BerthError('ERR_NOT_FOUND', `no demo name ${body.as}`);
      return { status: 200, body: { jws } };
    },
  }),
];
