/** One GPU as its memory slices: who holds which, what is free, and taking it out of service. */
import type { Gpu, Holding } from '../slots/fleet.ts';
import { Ask } from './confirm.tsx';
import { blocksOf, drainPlan, drainWords, roomOn } from './fleet-shape.ts';
import type { Model } from './model.ts';
import type { TenantLook } from './tenant-look.ts';
import { someoneElse } from './tenant-sight.ts';
import { Go } from './ui.tsx';

interface GpuCardProps {
  readonly model: Model;
  readonly gpu: Gpu;
  readonly looks: ReadonlyMap<string, TenantLook>;
  /** Is all that is held on it known? A tenant's page knows what it was told, and of the past its own jobs alone. */
  readonly isKnown: boolean;
}

const stateWords: Readonly<Record<string, readonly [sign: string, tone: string, title: string]>> = {
  serving: ['●', 'good', 'Takes jobs'],
  draining: ['◐', 'wait', 'What runs on it may end; nothing new is placed'],
  drained: ['○', 'off', 'Out of service: empty, and takes no jobs'],
  'takes no jobs': ['○', 'off', 'Being drained, or drained: others may still run on it'],
};

/** Whether it is empty yet depends on jobs that are not seen. */
const unknownShut = 'takes no jobs';

export function GpuCard({ model, gpu, looks, isKnown }: GpuCardProps) {
  const blocks = blocksOf(gpu);
  const isServing = gpu.machine.state === 'serving';
  const stateText = isKnown || isServing ? gpu.machine.state : unknownShut;
  const [sign, tone, title] = stateWords[stateText] ?? ['', '', ''];
  return (
    <article class="gpu" aria-label={`${gpu.id}, ${gpu.board}, ${stateText}`}>
      <header>
        <h3>{gpu.id}</h3>
        <span class="soft">{gpu.board}</span>
        <span class={`tag ${tone}`} title={title}>
          <span aria-hidden="true">{sign}</span> {stateText}
        </span>
        <span class="badge">{gpu.enforcement}</span>
        <Service model={model} gpu={gpu} />
      </header>
      <ol
        class="slices"
        aria-label={`Memory slices of ${gpu.id}`}
        style={{
          gridTemplateColumns: `repeat(${blocks.reduce((sum, { size }) => sum + size, 0)}, minmax(0, 1fr))`,
        }}
      >
        {blocks.map(({ start, size, holding }) => (
          <li key={start} style={{ gridColumn: `span ${size}` }}>
            {holding?.job === someoneElse ? (
              <span class="held foreign" title={`${holding.slot.profile}, held by a job of another tenant`}>
                others
              </span>
            ) : holding ? (
              <HeldSlot model={model} holding={holding} look={looks.get(holding.tenant)} />
            ) : isKnown ? (
              <span class={isServing ? 'free' : 'free shut'}>{isServing ? 'free' : 'off'}</span>
            ) : (
              <span class="held foreign" title="Free, or held by another tenant: only the operator sees that">
                ?
              </span>
            )}
          </li>
        ))}
      </ol>
      <p class="soft">{isKnown ? roomWords(gpu) : unknownWords(isServing)}</p>
    </article>
  );
}

function HeldSlot({
  model,
  holding: { slot, job, tenant },
  look,
}: {
  readonly model: Model;
  readonly holding: Holding;
  readonly look: TenantLook | undefined;
}) {
  const state = model.moment.state.jobs.get(job)?.state ?? 'held';
  const last = slot.start + slot.size - 1;
  const where = slot.size === 1 ? `slice ${slot.start}` : `slices ${slot.start} to ${last}`;
  const label = `Job ${job} of ${tenant}, ${state}, holds ${slot.profile} on ${slot.gpu}, ${where}`;
  return (
    <Go model={model} to={{ view: 'job', job }} class={`held ${look?.class ?? ''}`} title={label}>
      <span>
        <span class="sign" aria-hidden="true">
          {look?.sign}
        </span>{' '}
        {tenant}
      </span>
      <span class="id">{job}</span>
      <span class="profile">{slot.profile}</span>
    </Go>
  );
}

const unknownWords = (isServing: boolean): string =>
  isServing
    ? 'What others held here, and so what was free, only the operator sees.'
    : 'Nothing new is placed here; whether others still ran on it only the operator sees.';

function roomWords(gpu: Gpu): string {
  if (gpu.machine.state === 'draining') return 'Nothing new is placed here; what runs may end.';
  if (gpu.machine.state === 'drained') return 'Out of service.';
  const { free, largest, fragmentation } = roomOn(gpu);
  if (free === 0) return 'Full.';
  const slices = `${free} slice${free === 1 ? '' : 's'} free`;
  if (!largest) return `${slices}, but no slot can begin there.`;
  const better = fragmentation > 0 ? '; a larger one would, if held slots could be moved' : '';
  return `${slices}; the largest slot that fits is ${largest}${better}.`;
}

/** Out of service, and back: for the operator, at the present. */
function Service({ model, gpu }: Pick<GpuCardProps, 'model' | 'gpu'>) {
  const { server } = model;
  if (!server?.isAdmin || !model.isFollowing || model.source.kind !== 'live') return null;
  const isServing = gpu.machine.state === 'serving';
  const act = (): Promise<unknown> =>
    server.json(`/v1/slots/${gpu.id}/${isServing ? 'drain' : 'restore'}`, { method: 'POST', body: {} });
  return (
    <Ask
      class="service"
      what={
        isServing
          ? drainWords(gpu.id, drainPlan(model.moment.views, gpu.id))
          : `Restore ${gpu.id}? It takes jobs again at once.`
      }
      yes={isServing ? 'Yes, drain it' : 'Yes, restore it'}
      onYes={act}
    >
      {isServing ? 'Drain' : 'Restore'} <span class="hidden">{gpu.id}</span>…
    </Ask>
  );
}
