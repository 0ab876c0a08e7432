/** The first screen: what runs, what waits and why, and where there is room. */

import { useState } from 'preact/hooks';
import { pendingByReason } from '../observe/gauges.ts';
import type { Fleet } from '../slots/fleet.ts';
import type { QueueView } from '../views/queue-view.ts';
import type { Views } from '../views/views.ts';
import { type Census, censusOf, nowOf } from './census.ts';
import { FleetEnded, FleetQueue } from './fleet-lists.tsx';
import { type Room, roomOf } from './fleet-shape.ts';
import { GpuCard } from './gpu-card.tsx';
import { count } from './quantities.ts';
import { fleetSentence, fragmentationWords, gateSentence, mainReason } from './sentences.ts';
import { type TenantLook, tenantLooks } from './tenant-look.ts';
import { fleetAsTold, pendingAsTold } from './tenant-sight.ts';
import { answerOf, useFleetNow, useQueueNow } from './told.tsx';
import { Empty, Go, Panel, useModel, type ViewProps } from './ui.tsx';

/** GPUs drawn at first; more on request. */
const gpusShownFirst = 32;

export function FleetView({ model }: ViewProps) {
  useModel(model);
  const queue = useQueueNow(model);
  const told = answerOf(useFleetNow(model));
  const { state, views } = model.moment;
  if (model.moment.seq === model.beginSeq && model.records.length === 0)
    return (
      <Panel title="Fleet">
        <Empty>
          {model.source.kind === 'loading'
            ? 'The log is being read.'
            : 'This log is empty: nothing has happened yet.'}
        </Empty>
      </Panel>
    );
  const looks = tenantLooks(state.tenants.keys());
  const fleet = told ? fleetAsTold(state.fleet, told.gpus) : state.fleet;
  const room = model.seesAll || told ? roomOf(fleet) : null;
  return (
    <>
      <Summary model={model} views={views} room={room} queue={answerOf(queue)} />
      <Gpus model={model} looks={looks} fleet={fleet} room={room} />
      <div class="side-by-side">
        <div>
          <FleetQueue model={model} looks={looks} asked={queue} />
          <FleetEnded model={model} looks={looks} />
        </div>
        {room ? <FitTable room={room} /> : null}
      </div>
    </>
  );
}

interface RoomProps {
  /** Null where only the operator sees what others hold. */
  readonly room: Room | null;
}

interface SummaryProps extends ViewProps, RoomProps {
  readonly views: Views;
  /** What the server told a tenant's page. */
  readonly queue: QueueView | null;
}

function Summary({ model, views, room, queue }: SummaryProps) {
  const { state, gate } = model.moment;
  const census = censusOf(state, nowOf(model) ?? 0);
  const { running, waiting } = census.byGroup;
  const pending = model.seesAll
    ? pendingByReason(views, census.byState, gate.state !== 'readOnly')
    : pendingAsTold(queue, census.byState);
  const closed = gateSentence(gate, state.controller.configured?.queuedMax ?? null);
  return (
    <section class="panel summary" aria-label="Summary">
      {closed ? (
        <p class="gate" role="status">
          <span aria-hidden="true">⚠</span> {closed}
        </p>
      ) : null}
      <p class="sentence">
        {fleetSentence(running, waiting, pending)}{' '}
        {model.seesAll ? null : <span class="soft">Only your own jobs are counted. </span>}
        {running + waiting === 0 ? <HowToSubmit model={model} /> : null}
      </p>
      <Numbers census={census} pending={pending} room={room} />
    </section>
  );
}

function HowToSubmit({ model }: ViewProps) {
  if (!model.server || !model.isFollowing) return null;
  return (
    <span class="soft">
      Submit a job in the{' '}
      <Go model={model} to={{ view: 'lab' }}>
        Lab
      </Go>
      , or with <code>berth job submit wasm/hello.wasm</code>.
    </span>
  );
}

function Numbers({
  census: { byGroup, ended, failed, isAtLeast },
  pending,
  room,
}: {
  readonly census: Census;
  readonly pending: ReadonlyMap<string, number>;
} & RoomProps) {
  const main = mainReason(pending);
  return (
    <dl class="numbers">
      <Figure name="running" tone="run" value={count(byGroup.running)} />
      <Figure
        name="waiting"
        tone="wait"
        value={count(byGroup.waiting)}
        more={main ? `${main.code}${main.jobs === byGroup.waiting ? '' : ` ${count(main.jobs)}`}` : ''}
      />
      <Figure
        name="slices free"
        value={room ? `${count(room.free)} of ${count(room.slices)}` : 'not known'}
        more={room ? freeWords(room) : 'only the operator sees what others hold'}
      />
      <Figure name="ended in the last minute" tone="good" value={`${isAtLeast ? '≥ ' : ''}${count(ended)}`} />
      <Figure name="of these failed" tone={failed > 0 ? 'bad' : ''} value={count(failed)} />
    </dl>
  );
}

const freeWords = ({ free, largest }: Room): string => {
  if (free === 0) return 'full';
  return largest ? `up to ${largest}` : 'nothing fits there';
};

function Figure({
  name,
  value,
  more = '',
  tone = '',
}: {
  readonly name: string;
  readonly value: string;
  readonly more?: string;
  readonly tone?: string;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong class={`tag ${tone}`}>{value}</strong> {more ? <span class="soft">{more}</span> : null}
      </dd>
    </div>
  );
}

function Gpus({
  model,
  looks,
  fleet,
  room,
}: ViewProps & RoomProps & { readonly looks: ReadonlyMap<string, TenantLook>; readonly fleet: Fleet }) {
  const [shown, setShown] = useState(gpusShownFirst);
  const gpus = [...fleet.values()];
  if (gpus.length === 0)
    return (
      <Panel title="GPUs">
        <Empty>
          No GPUs yet. A controller is given them when it starts, for example with: --fleet 2xH100-80GB
        </Empty>
      </Panel>
    );
  return (
    <Panel
      title={`${count(gpus.length)} GPU${gpus.length === 1 ? '' : 's'}`}
      aside={room ? <span>{fragmentationWords(room.fragmentation)}</span> : undefined}
    >
      <Legend looks={looks} seesAll={model.seesAll} />
      <div class="gpus">
        {gpus.slice(0, shown).map((gpu) => (
          <GpuCard key={gpu.id} model={model} gpu={gpu} looks={looks} isKnown={room !== null} />
        ))}
      </div>
      {gpus.length > shown ? (
        <button type="button" onClick={() => setShown(shown + gpusShownFirst)}>
          Show {count(Math.min(gpusShownFirst, gpus.length - shown))} more of {count(gpus.length - shown)}
        </button>
      ) : null}
    </Panel>
  );
}

/** Tenants named in the legend; further ones are named on their slices all the same. */
const legendMax = 8;

function Legend({
  looks,
  seesAll,
}: {
  readonly looks: ReadonlyMap<string, TenantLook>;
  readonly seesAll: boolean;
}) {
  return (
    <ul class="legend" aria-label="Legend">
      {[...looks].slice(0, legendMax).map(([name, look]) => (
        <li key={name}>
          <span class={`swatch ${look.class}`} aria-hidden="true">
            {look.sign}
          </span>{' '}
          held by {name}
        </li>
      ))}
      {seesAll ? null : (
        <li>
          <span class="swatch foreign" aria-hidden="true" /> held by others, or not known
        </li>
      )}
      <li>
        <span class="swatch free" aria-hidden="true" /> free
      </li>
      <li>
        <span class="swatch free shut" aria-hidden="true" /> off: its GPU takes nothing new
      </li>
      <li class="soft">Each box is a memory slice of the GPU, or several held as one slot.</li>
    </ul>
  );
}

function FitTable({ room: { fits, free } }: { readonly room: Room }) {
  if (fits.length === 0) return null;
  return (
    <Panel title="What fits now">
      <table class="fits">
        <thead>
          <tr>
            <th scope="col">Slot</th>
            <th scope="col" class="n">
              Times
            </th>
            <th
              scope="col"
              class="n"
              title="Share of the free slices that no slot of this profile could take"
            >
              Free but unusable for it
            </th>
          </tr>
        </thead>
        <tbody>
          {fits.map(({ profile, count: times, unusable }) => (
            <tr key={profile}>
              <td>
                <code>{profile}</code>
              </td>
              <td class="n">{times === 0 ? 'none' : count(times)}</td>
              <td class="n">{free === 0 ? 'nothing is free' : `${Math.round(100 * unusable)} %`}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="soft">Each row alone: slots of different profiles take the same slices.</p>
    </Panel>
  );
}
