/** Routes of capacity: GPUs with what they hold, draining them, and the queue for them. */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { queueView, queueViewSchema } from '../views/queue-view.ts';
import { gpuView, gpuViewSchema, slotsView, slotsViewSchema } from '../views/slots-view.ts';
import { followView } from './events.ts';
import { type Call, type Reply, type Route, route } from './route.ts';

const gpuParams = z.strictObject({
  gpu: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 characters of a-z, 0-9 and -'),
});
const reasonBody = z.strictObject({ reason: z.string().max(256).default('asked for by the operator') });

type GpuCall = Call<z.output<typeof gpuParams>, unknown, z.output<typeof reasonBody>>;

/** Notes the fact unless the GPU is so already: asking twice is harmless. */
async function change(
  { life, params, body, identity }: GpuCall,
  type: 'slot.drained' | 'slot.restored',
): Promise<Reply> {
  const { gpu: id } = params;
  const found = life.state.fleet.get(id);
  if (!found) throw new BerthError('ERR_NOT_FOUND', `no GPU ${id}`);
  if ((found.machine.state === 'serving') !== (type === 'slot.restored')) {
    const outcome = await life.ask(
      { kind: 'Note', type, stream: `slot.${id}`, data: { reason: body.reason } },
      'intake',
    );
    // Someone else was quicker: then it is so already.
    if ('refused' in outcome && outcome.refused !== 'ERR_EXISTS')
      throw new BerthError(outcome.refused, outcome.reason);
  }
  const gpu = life.views.state.fleet.get(id);
  if (!gpu) throw new BerthError('ERR_NOT_FOUND', `no GPU ${id}`);
  return { status: 200, body: gpuView(gpu, identity) };
}

export const ratesSchema = z.strictObject({
  endedPerSecond: z.number(),
  overMs: z.number(),
  refusals: z.number(),
  runP50Ms: z.number().nullable(),
  submittedPerSecond: z.number(),
  waitP50Ms: z.number().nullable(),
});

export const fleetRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/rates',
    auth: 'tenant',
    summary: 'How busy it is: jobs a second and median waits of the last ten seconds, all tenants together',
    query: z.strictObject({}),
    responses: [{ status: 200, what: 'the rates', schema: ratesSchema }],
    handle: ({ parts }) => ({ status: 200, body: parts.rates() }),
  }),
  route({
    method: 'GET',
    path: '/v1/slots',
    auth: 'tenant',
    summary:
      'GPUs, what is held on them, and what would fit; whoever holds a slot that is not yours is `busy`',
    query: z.strictObject({}),
    events: true,
    responses: [{ status: 200, what: 'the fleet', schema: slotsViewSchema }],
    handle: (call) => {
      const show = ({ views }: Call['life']) => slotsView(views.state.fleet, call.identity, views.seq);
      return call.wantsEvents ? followView(call, show) : { status: 200, body: show(call.life) };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/slots/{gpu}/drain',
    auth: 'admin',
    summary: 'Takes a GPU out of service: nothing new is placed on it, what runs may end',
    params: gpuParams,
    body: { kind: 'json', schema: reasonBody, optional: true },
    responses: [{ status: 200, what: 'it is draining, or drained already', schema: gpuViewSchema }],
    handle: (call) => change(call, 'slot.drained'),
  }),
  route({
    method: 'POST',
    path: '/v1/slots/{gpu}/restore',
    auth: 'admin',
    summary: 'Puts a GPU back into service',
    params: gpuParams,
    body: { kind: 'json', schema: reasonBody, optional: true },
    responses: [{ status: 200, what: 'it serves', schema: gpuViewSchema }],
    handle: (call) => change(call, 'slot.restored'),
  }),
  route({
    method: 'GET',
    path: '/v1/queue',
    auth: 'tenant',
    summary: 'Who waits and why: own jobs, and of all others only the number',
    query: z.strictObject({}),
    events: true,
    responses: [{ status: 200, what: 'the queue', schema: queueViewSchema }],
    handle: (call) => {
      const show = ({ views }: Call['life']) => queueView(views, call.identity);
      return call.wantsEvents ? followView(call, show) : { status: 200, body: show(call.life) };
    },
  }),
];
