/**
 * Routes of the page for people: the page itself, what it tells of this controller, guests to try, and what a demo lets it
 * do. Test: `test/intake/routes-page.test.ts`.
 */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { aboutSchema, aboutView } from '../views/about-view.ts';
import { isOwnPage } from './own-page.ts';
import { type Call, type Demo, jobParams, matchesTag, type Reply, type Route, route } from './route.ts';

const signBody = z.strictObject({
  as: z.string().max(64).describe('a demo tenant, or admin'),
  job: z.unknown().optional().describe('the job, when a request is signed'),
  kind: z.enum(['token', 'request']),
});

const strikeBody = z.strictObject({
  job: jobParams.shape.id.describe('a job that runs'),
  what: z.enum(['runner']).describe('what is killed: the process that runs the job'),
});

const guestName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 characters of a-z, 0-9 and -');
const guestsSchema = z.strictObject({
  guests: z.array(
    z.strictObject({
      about: z.string().describe('what it does, in one sentence'),
      bytes: z.number().int(),
      name: guestName,
      sha256: z.string(),
    }),
  ),
});

/** The powers of a demo, for its own page alone. Throws ERR_NOT_FOUND where nobody has them. */
function demoOf(call: Call): Demo {
  const { demo } = call.parts;
  if (!demo) throw new BerthError('ERR_NOT_FOUND', 'this controller runs without --demo, or not on loopback');
  if (isOwnPage(call.header)) return demo;
  throw new BerthError('ERR_FORBIDDEN', 'only the page of this server may ask for this');
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
      const { demo, version } = parts;
      return {
        status: 200,
        body: aboutView(life, {
          version,
          demo: demo !== null,
          demoTenants: [...(demo?.names ?? [])],
          log: first?.hash ?? null,
        }),
      };
    },
  }),
  route({
    method: 'GET',
    path: '/guests',
    auth: 'none',
    summary: 'Sample guests that come with Berth: what the Lab of the page offers',
    responses: [{ status: 200, what: 'the guests, by name', schema: guestsSchema }],
    handle: async ({ parts }) => {
      const guests = await parts.guests();
      return { status: 200, body: { guests: guests.map((each) => ({ ...each, bytes: each.bytes.length })) } };
    },
  }),
  route({
    method: 'GET',
    path: '/guests/{name}',
    auth: 'none',
    summary: 'The module of a sample guest',
    params: z.strictObject({ name: guestName }),
    responses: [
      { status: 200, what: 'the bytes', type: 'application/wasm' },
      { status: 304, what: 'the digest in If-None-Match is this one' },
    ],
    handle: async ({ parts, params, header }): Promise<Reply> => {
      const guest = (await parts.guests()).find(({ name }) => name === params.name);
      if (!guest) throw new BerthError('ERR_NOT_FOUND', `no guest ${params.name}; GET /guests lists them`);
      const etag = `"${guest.sha256}"`;
      const headers = { 'cache-control': 'no-cache', etag };
      if (matchesTag(header('if-none-match'), etag)) return { status: 304, body: null, headers };
      return {
        status: 200,
        bytes: inOnePiece(guest.bytes),
        length: guest.bytes.length,
        headers: {
          ...headers,
          'content-type': 'application/wasm',
          'content-disposition': `attachment; filename="${guest.name}.wasm"`,
        },
      };
    },
  }),
  // An answer also where there is no demo: a page that has to try would leave an error in the browser's console.
  route({
    method: 'GET',
    path: '/demo/sign',
    auth: 'none',
    summary: 'For whom this server signs when its page asks: for nobody without `--demo` on loopback',
    responses: [{ status: 200, what: 'names', schema: z.strictObject({ names: z.array(z.string()) }) }],
    handle: (call) => {
      const { demo } = call.parts;
      return { status: 200, body: { names: demo && isOwnPage(call.header) ? [...demo.names] : [] } };
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
      const { body } = call;
      const jws = await demoOf(call).sign(body);
      if (jws === null) throw new BerthError('ERR_NOT_FOUND', `no demo name ${body.as}`);
      return { status: 200, body: { jws } };
    },
  }),
  route({
    method: 'POST',
    path: '/demo/strike',
    auth: 'none',
    summary: 'Kills the process that runs a job, to see what becomes of the job; there as `/demo/sign` is',
    body: { kind: 'json', schema: strikeBody },
    responses: [{ status: 202, what: 'SIGKILL is sent', schema: z.strictObject({ job: z.string() }) }],
    problems: ['ERR_NOT_FOUND', 'ERR_FORBIDDEN', 'ERR_NOT_IN_STATE'],
    handle: (call) => {
      const { job } = call.body;
      if (!demoOf(call).strike(job))
        throw new BerthError('ERR_NOT_IN_STATE', `no process runs job ${job} now`);
      return { status: 202, body: { job } };
    },
  }),
];

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
