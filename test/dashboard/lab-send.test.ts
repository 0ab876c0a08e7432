/** The Lab's form, sent to a real server: jobs, copies, one key, a check, and refusals beside their fields. */
import * as assert from 'uvu/assert';
import { isHere, sha256Of } from '../../src/dashboard/lab-port.ts';
import { type Draft, newDraft } from '../../src/dashboard/lab-request.ts';
import { type Answer, checks, type Parcel, sends } from '../../src/dashboard/lab-send.ts';
import { firstSeqOf, showJob } from '../../src/dashboard/lab-watch.ts';
import { Server } from '../../src/dashboard/server.ts';
import { demoSigner } from '../../src/dashboard/signer.ts';
import { sampleGuest as guestOnDisk, pause } from '../server-process.ts';
import { suite } from '../suite.ts';
import { LabPage } from './lab-page.ts';

const t = suite('dashboard: what the Lab sends');
/** A busy machine is slow. */
const limit = { limitMs: 90_000 };
let page: LabPage;
t.after(() => page?.close());

const parcel = (draft: Partial<Draft>, rest: Partial<Parcel> = {}): Parcel => ({
  draft: { ...newDraft('acme'), guest: 'noop', slot: '1g.10gb', ...draft },
  module: null,
  input: null,
  unsigned: false,
  state: page.model.moment.state,
  ...rest,
});
const sentIds = (answer: Answer): readonly string[] => {
  if (answer.kind !== 'sent') throw new Error(JSON.stringify(answer));
  return answer.ids;
};
const ended = (id: string) =>
  page.until(() => page.model.moment.state.jobs.get(id)?.context.times.endedAtMs != null);

t(
  'a page follows a server that has just begun',
  async () => {
    page = await LabPage.open(['--runners', '1']);
    assert.ok(page.model.headSeq > 0);
  },
  limit,
);

t(
  'a job goes out with its input, and its result is what the guest makes of it',
  async () => {
    const [id = ''] = sentIds(await sends(page.server, parcel({ guest: 'sha256', stdin: 'abc' })));
    await ended(id);
    const result = await page.server.ask(`/v1/jobs/${id}/result`, { as: 'acme' });
    assert.is((await result.text()).trim(), await sha256Of(new TextEncoder().encode('abc')));
  },
  limit,
);

t(
  'bytes that a job of the tenant names are known to be here, and are not sent again',
  async () => {
    const digest = `sha256:${await sha256Of(guestOnDisk('sha256'))}`;
    const { state } = page.model.moment;
    assert.ok(isHere(state, 'acme', digest));
    assert.not(isHere(state, 'globex', digest));
    let puts = 0;
    const { url } = page.process;
    const counting = new Server({
      signer: demoSigner(url),
      name: 'admin',
      base: url,
      fetch: (input, init) => {
        if (init?.method === 'PUT') puts += 1;
        return fetch(input, init);
      },
    });
    assert.is((await checks(counting, parcel({ guest: 'sha256' }))).kind, 'checked');
    assert.is(puts, 0);
    assert.is((await checks(counting, parcel({ guest: 'trap' }))).kind, 'checked');
    assert.is(puts, 1);
  },
  limit,
);

t(
  'copies are jobs of their own; with one key they are one job',
  async () => {
    const counts: number[] = [];
    const ids = sentIds(await sends(page.server, parcel({ copies: '3' }), (n) => counts.push(n)));
    assert.is(new Set(ids).size, 3);
    assert.equal(counts, [1, 2, 3]);
    const same = sentIds(await sends(page.server, parcel({ copies: '3', key: 'one' })));
    assert.is(same.length, 3);
    assert.is(new Set(same).size, 1);
  },
  limit,
);

t(
  'a check says what would be, and makes no job',
  async () => {
    const before = page.model.moment.state.jobs.size;
    const never = await checks(page.server, parcel({ slot: '6g.999gb' }));
    assert.ok(never.kind === 'checked' && !never.validation.everFits);
    const fits = await checks(page.server, parcel({}));
    assert.ok(fits.kind === 'checked' && fits.validation.everFits && fits.validation.admitted);
    await pause(50);
    assert.is(page.model.moment.state.jobs.size, before);
  },
  limit,
);

t(
  'a form that is not in order is refused beside its field, before anything is sent',
  async () => {
    const answer = await sends(page.server, parcel({ wallMs: '0' }, { unsigned: true }));
    assert.ok(answer.kind === 'refused');
    assert.is(answer.code, 'ERR_BAD_SPEC');
    assert.equal(
      answer.fields.map(({ field }) => field),
      ['job.limits.wallMs'],
    );
  },
  limit,
);

t(
  'a refusal of the server comes with code, next step, and what was sent before',
  async () => {
    const unsigned = await sends(page.server, parcel({}, { unsigned: true }));
    assert.ok(unsigned.kind === 'refused');
    assert.is(unsigned.code, 'ERR_UNSIGNED');
    assert.ok(unsigned.next.length > 0);
    sentIds(await sends(page.server, parcel({ key: 'other' })));
    const other = await sends(page.server, parcel({ key: 'other', args: 'x' }));
    assert.ok(other.kind === 'refused' && other.code === 'ERR_IDEMPOTENCY');
  },
  limit,
);

t(
  'a module of one’s own is sent as it is',
  async () => {
    const [id = ''] = sentIds(
      await sends(page.server, parcel({ guest: '' }, { module: guestOnDisk('hello') })),
    );
    await ended(id);
    assert.is(page.model.moment.state.jobs.get(id)?.state, 'succeeded');
  },
  limit,
);

t(
  'a job is shown from its first fact on; one that is not here yet, as it is',
  async () => {
    const [id = ''] = sentIds(await sends(page.server, parcel({})));
    await ended(id);
    const seq = firstSeqOf(page.model, id);
    assert.is(page.model.recordAt(seq ?? 0)?.subject, `job.acme.${id}.submitted`);
    const went: object[] = [];
    const model = { records: page.model.records, go: (to: object) => void went.push(to) };
    showJob(model, id);
    showJob(model, 'unknown');
    assert.equal(went, [
      { view: 'job', job: id, at: seq },
      { view: 'job', job: 'unknown', at: null },
    ]);
  },
  limit,
);

t.run();
