/**
 * Replies that go on: facts, or a view that is shown anew whenever it changed, as server-sent events.
 *
 * Why pulled: each frame is made when the one before it has left, from a cursor that is one number.
 * See `views/stream.ts` for what wakes a stream.
 *
 * Why a stream outlives its token and not its key: tokens live minutes, so that one which leaks is soon worth
 * nothing, and a stream was opened once, by its owner. A key is revoked because somebody else may have it.
 * Test: `test/intake/sse.test.ts`.
 */
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import type { Source } from '../views/log-view.ts';
import { beatFrame, eventFrame, type Followed } from '../views/stream.ts';
import type { Call, EventsReply } from './route.ts';

/** Facts that come within this time travel together: one write for many. */
const factsEveryMs = 20;
/** Views are lossy: in between a reader misses nothing that the next frame does not show. */
const viewsEveryMs = 250;
/** Characters of one write. */
const frameCharsMax = 64 * 1024;

/** The life as a stream sees it, and whether it still is the one that serves, and serves this reader. */
function followed(call: Call): Followed {
  const { identity, life, parts } = call;
  const isPresent = (): boolean => parts.life() === life && parts.door.stillTrusted(identity);
  return { views: life.views, isPresent };
}

/** Seq after which to go on, from `Last-Event-ID`; null when the client has none. */
export function lastEventId(call: Call): number | null {
  const text = call.header('last-event-id');
  if (text === null || text === '') return null;
  const seq = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(seq)) throw new BerthError('ERR_BAD_REQUEST', 'Last-Event-ID: must be the seq of a fact');
  if (seq > call.life.views.seq) {
    const message = `Last-Event-ID: ${seq} is beyond this log, which ends at ${call.life.views.seq}; begin anew`;
    throw new BerthError('ERR_BAD_REQUEST', message);
  }
  return seq;
}

/** Facts from `from` on, for as long as the client stays, or until `isOver` says that none can follow. */
export function followFacts(
  call: Call,
  source: Source,
  from: number,
  isOver: () => boolean = () => false,
): EventsReply {
  const { streams } = call.parts;
  streams.assertRoom();
  const life = followed(call);
  return {
    async *frames(signal) {
      let next = from;
      for await (const pulse of streams.pulses(life, factsEveryMs, signal)) {
        if (pulse === 'beat') yield beatFrame;
        // Asked at each batch too: a long log to catch up with is one pulse.
        while (life.isPresent()) {
          // Asked before reading: an end that comes while we read has facts that the next round still has to send.
          const over = isOver();
          const batch = await source(next).catch(endsStream);
          if (batch === null) return;
          yield* frames(batch.facts);
          if (batch.next > next) next = batch.next;
          else if (over) return;
          else break;
        }
      }
    },
  };
}

/** The log was closed under the stream: it ends, and its reader comes back to the next life with its last id. */
function endsStream(error: unknown): null {
  if (error instanceof BerthError) return null;
  throw error;
}

function* frames(facts: readonly { readonly seq: number }[]): Generator<string> {
  let text = '';
  for (const fact of facts) {
    text += eventFrame(fact.seq, fact);
    if (text.length < frameCharsMax) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/** A view, now and after each change of it; `id` is the seq as of which it is shown. */
export function followView(call: Call, show: (life: Controller) => unknown): EventsReply {
  const { streams } = call.parts;
  const { life } = call;
  streams.assertRoom();
  const present = followed(call);
  return {
    async *frames(signal) {
      let shown = '';
      for await (const pulse of streams.pulses(present, viewsEveryMs, signal)) {
        if (pulse === 'beat') yield beatFrame;
        const view = show(life);
        const text = JSON.stringify(view);
        if (text !== shown) yield eventFrame(life.views.seq, view);
        shown = text;
      }
    },
  };
}
