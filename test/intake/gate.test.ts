/** The gate: each state of the controller has one answer at the door, whatever facts led to it. */
import * as assert from 'uvu/assert';
import { Gate } from '../../src/intake/gate.ts';
import { Desk } from '../jobs/desk.ts';
import { suite } from '../suite.ts';

const t = suite('gate');

class Watched {
  readonly gate = new Gate();
  readonly desk: Desk;
  constructor(desk: Desk) {
    this.desk = desk;
    this.fold();
  }
  fold(): this {
    for (const change of this.desk.news()) this.gate.fold(change);
    return this;
  }
  note(type: string, data: object): this {
    this.desk.do({ kind: 'Note', type, stream: 'controller', data } as never);
    return this.fold();
  }
  recovered(over: object = {}): this {
    return this.note('controller.recovered', { epoch: 2, ofSeq: 1, stateHash: 'a'.repeat(64), ...over });
  }
  get code(): string | undefined {
    return this.gate.closed?.code;
  }
}

t('closed until recovered, then open', () => {
  const watched = new Watched(new Desk());
  assert.equal([watched.gate.state, watched.code], ['recovering', 'ERR_READ_ONLY']);
  watched.recovered();
  assert.equal([watched.gate.state, watched.code], ['accepting', undefined]);
});

t('full at the bound and free below it, as the jobs come and go', () => {
  const watched = new Watched(new Desk({ queuedMax: 2 })).recovered();
  watched.desk.bring('a', 'queued');
  watched.desk.bring('b', 'reserving');
  watched.fold();
  assert.equal([watched.gate.state, watched.code], ['full', undefined], 'the writer says whose bound it is');
  watched.desk.do(watched.desk.step('ReserveSlots', 'b'));
  assert.is(watched.fold().gate.state, 'accepting');
  watched.desk.configure({ queuedMax: 1 });
  assert.is(watched.fold().gate.state, 'full', 'a lower bound counts at once');
});

t('draining and stopped say so, and a new life ends both', () => {
  const watched = new Watched(new Desk())
    .recovered()
    .note('controller.draining', { deadlineMs: 1, mode: 'finish' });
  assert.is(watched.code, 'ERR_DRAINING');
  watched.note('controller.stopped', { running: 0 });
  assert.equal([watched.gate.state, watched.code], ['stopped', 'ERR_DRAINING']);
  assert.is(watched.recovered({ epoch: 3 }).code, undefined);
});

t('a failed log closes it in every state until a life has recovered', () => {
  const watched = new Watched(new Desk()).recovered();
  watched.gate.logFailed();
  assert.equal([watched.gate.state, watched.code], ['readOnly', 'ERR_READ_ONLY']);
  watched.desk.bring('a', 'queued');
  assert.is(watched.fold().code, 'ERR_READ_ONLY', 'facts of jobs do not open it');
  assert.is(watched.recovered({ epoch: 3 }).code, undefined);
});

t('a torn tail that may have held promised facts is red until it is accepted, over restarts too', () => {
  const watched = new Watched(new Desk()).recovered({ bytes: 9, fromSeq: 4, lostIds: 2 });
  assert.is(watched.code, 'ERR_TORN_TAIL');
  assert.match(watched.gate.closed?.reason ?? '', /seq 4/);
  assert.is(watched.recovered({ epoch: 3 }).code, 'ERR_TORN_TAIL');
  assert.is(watched.note('controller.tailAccepted', { fromSeq: 4 }).code, undefined);
  assert.is(
    watched.recovered({ epoch: 4, bytes: 9, fromSeq: 8, lostIds: 0 }).code,
    undefined,
    'nothing readable was lost',
  );
});

t.run();
