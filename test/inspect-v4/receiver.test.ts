/** `/inspect/v4` on a real server, as the genuine receiver of `@xstate/inspect` 0.8 understands it, beside XState 4. */
import { createWebSocketReceiver } from '@xstate/inspect';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { Caller, eventually, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';

const t = suite('inspect-v4');
// The receiver is made for browsers, which have one.
Object.assign(globalThis, { WebSocket });

/** What the receiver makes of a message: machines and states of XState 4, alive. */
interface Received {
  readonly type: string;
  readonly sessionId: string;
  readonly machine?: { readonly id: string; readonly states: Record<string, { readonly on: object }> };
  readonly state?: {
    readonly value: string;
    readonly done: boolean;
    matches(value: string): boolean;
  };
  readonly event?: { readonly name: string };
}

t('the receiver revives machine and states, and follows two jobs to their ends', async () => {
  const server = await ServerProcess.begin();
  const acme = new Caller(server);
  try {
    const seen: Received[] = [];
    const receiver = createWebSocketReceiver({
      serialize: undefined,
      server: `${server.url.replace(/^http:\/\//, '')}/inspect/v4`,
    });
    receiver.subscribe((event: unknown) => {
      seen.push(event as Received);
    });
    await eventually('the controller is registered', () =>
      seen.some(({ type, sessionId }) => type === 'service.register' && sessionId === 'controller'),
    );
    const hello = await acme.submit({ module: await acme.put(sampleGuest('hello')) });
    const trap = await acme.submit({ module: await acme.put(sampleGuest('trap')) });
    for (const { id } of [hello, trap])
      await eventually(`job ${id} is stopped`, () =>
        seen.some(({ type, sessionId }) => type === 'service.stop' && sessionId === `job.${id}`),
      );
    const stepsOf = (id: string): Received[] => seen.filter(({ sessionId }) => sessionId === `job.${id}`);
    const machine = stepsOf(hello.id).find(({ type }) => type === 'service.register')?.machine;
    assert.is(machine?.id, 'job');
    assert.is(Object.keys(machine?.states ?? {}).length, 15);
    const last = stepsOf(hello.id).findLast(({ type }) => type === 'service.state')?.state;
    assert.ok(last?.matches('succeeded') && last.done);
    assert.ok(
      stepsOf(trap.id)
        .findLast(({ type }) => type === 'service.state')
        ?.state?.matches('failed'),
    );
    const events = stepsOf(hello.id).flatMap(({ type, event }) =>
      type === 'service.event' ? [event?.name] : [],
    );
    assert.equal(events.at(-1), 'job.succeeded');
    // What the receiver sends back is not obeyed: the log has one writer.
    receiver.send({
      type: 'xstate.event',
      event: JSON.stringify({ type: 'job.lost' }),
      service: `job.${hello.id}`,
    } as never);
  } finally {
    acme.close();
    await server.remove();
  }
});

t.run();
