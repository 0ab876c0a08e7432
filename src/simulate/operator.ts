/**
 * The operator: makes the tenants known, drains GPUs and gives them back, changes terms, shuts down in both ways,
 * and has the bad luck of a machine room: power cuts, kills, a full disk, a clock that is set.
 *
 * Why people belong to the faults: what an operator does at the wrong moment is as sudden as a crash, and a rule that
 * holds only while nobody changes a quota is no rule.
 */
import type { FactData, FactType, TenantTerms } from '../events/facts.ts';
import type { PlainCommand } from '../jobs/commands.ts';
import { fleetOfPreset } from '../slots/fleet-setting.ts';
import { defaultTerms } from '../tenants/tenants.ts';
import { tenants } from './clients.ts';
import type { Kernel } from './kernel.ts';
import type { Machine } from './machine.ts';
import type { SimulationOptions } from './options.ts';
import type { Random } from './random.ts';

/** Between two tries of the same order, ms. */
const againMs = 50;
/** States that last no longer than a turn of the pump, unless a crash comes between two facts of that turn. */
const brief: ReadonlySet<string> = new Set(['reserving', 'releasing']);

interface OperatorParts {
  readonly kernel: Kernel;
  readonly machine: Machine;
  readonly options: SimulationOptions;
  readonly random: Random;
}

export class Operator {
  /** No more trouble is made. */
  #rests = false;
  readonly #parts: OperatorParts;
  readonly #gpus: readonly string[];

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#gpus = fleetOfPreset(parts.options.fleet).map(({ id }) => id);
  }

  /** Makes every tenant known, however often it takes, and then says so. */
  setUp(ready: () => void): void {
    const { kernel, machine, random } = this.#parts;
    const known = machine.life?.views.state.tenants;
    const missing = tenants.find((name) => !known?.has(name));
    if (known && missing === undefined) {
      ready();
      return;
    }
    if (missing)
      void this.#note('tenant.added', `tenant.${missing}`, { terms: this.#terms(random.fork(missing)) });
    kernel.after(againMs, () => this.setUp(ready));
  }

  /** Everything that this run's options let happen to the machine, until `rest`. */
  makeTrouble(): void {
    const { machine, options, random } = this.#parts;
    const { faults } = options;
    this.#every(faults.killEveryMs, 'kill', () => machine.crash('kill'));
    this.#every(faults.powerCutEveryMs, 'power', () => machine.crash('power'));
    this.#every(faults.shutdownEveryMs, 'shutdown', (draw) => this.#shutDown(draw));
    this.#every(faults.clockJumpEveryMs, 'clock', (draw) => this.#setClock(draw));
    this.#every(faults.fullDiskEveryMs, 'full', (draw) => this.#fillDisk(draw));
    this.#every(faults.drainEveryMs, 'drain', (draw) => this.#drain(draw));
    this.#every(faults.termsEveryMs, 'terms', (draw) => {
      const name = draw.pick(tenants);
      void this.#note('tenant.changed', `tenant.${name}`, { terms: this.#terms(draw) });
    });
    const early = random.fork('early');
    // As soon as the door opens: the only moment at which jobs stand in states that last no longer than a turn.
    machine.onUp = () => {
      if (this.#rests) return;
      if (faults.shutdownEveryMs > 0 && early.chance(this.#areBrief() ? 0.3 : 0.1)) this.#shutDown(early);
      else if (faults.cancels > 0 && early.chance(this.#areBrief() ? 0.9 : 0.5)) this.#cancelAll(early);
    };
  }

  /** No more trouble; every GPU is given back. */
  rest(): void {
    this.#rests = true;
    const { machine } = this.#parts;
    machine.disk.bytesMax = Number.POSITIVE_INFINITY;
    this.#restore();
  }

  #restore(): void {
    const { kernel, machine } = this.#parts;
    const { drained } = machine.witness.ledger;
    for (const gpu of drained.keys()) void this.#note('slot.restored', `slot.${gpu}`, { reason: 'the end' });
    if (drained.size > 0 || machine.life === null) kernel.after(againMs, () => this.#restore());
  }

  #every(meanMs: number, name: string, act: (draw: Random) => void): void {
    if (meanMs === 0) return;
    const { kernel, random } = this.#parts;
    const draw = random.fork(name);
    const next = (): void => {
      kernel.after(draw.wait(meanMs), () => {
        if (this.#rests) return;
        act(draw);
        next();
      });
    };
    next();
  }

  #setClock(draw: Random): void {
    const { kernel, machine } = this.#parts;
    machine.witness.count('fault clockJumps');
    kernel.jump(draw.pick([-1, 1]) * draw.between(1, draw.pick([10, 500, 60_000])));
  }

  #shutDown(draw: Random): void {
    const { kernel, machine, options } = this.#parts;
    const deadlineMs = draw.pick([0, 50, 300]);
    // Somebody sets the clock just then: whoever counts a deadline on it ends too early or too late.
    if (options.faults.clockJumpEveryMs > 0 && draw.chance(0.5))
      kernel.after(draw.between(0, deadlineMs + 50), () => this.#rests || this.#setClock(draw));
    void machine.shutdown(draw.pick(['finish', 'requeue']), deadlineMs);
  }

  #fillDisk(draw: Random): void {
    const { kernel, machine } = this.#parts;
    machine.witness.count('fault fullDisks');
    const used = machine.disk.files().reduce((sum, path) => sum + machine.disk.bytes(path).length, 0);
    machine.disk.bytesMax = used + draw.below(4_096);
    kernel.after(draw.between(100, 2_500), () => {
      machine.disk.bytesMax = Number.POSITIVE_INFINITY;
    });
  }

  #drain(draw: Random): void {
    const gpu = draw.pick(this.#gpus);
    const { kernel } = this.#parts;
    void this.#note('slot.drained', `slot.${gpu}`, { reason: 'maintenance' });
    kernel.after(
      draw.between(50, 1_000),
      () => void this.#note('slot.restored', `slot.${gpu}`, { reason: 'done' }),
    );
  }

  /** Does any job stand in a state that a crash alone makes last? */
  #areBrief(): boolean {
    const { jobs, open } = this.#parts.machine.witness.ledger;
    return [...open].some((id) => brief.has(jobs.get(id)?.state ?? ''));
  }

  #cancelAll(draw: Random): void {
    const { machine } = this.#parts;
    const { jobs, open } = machine.witness.ledger;
    for (const id of open) {
      const { state, tenant } = jobs.get(id) ?? { state: '', tenant: '' };
      if (draw.chance(brief.has(state) ? 0.9 : 0.3))
        void machine.ask(tenant, (door) => door.cancel(id, { tenant: 'admin', admin: true }));
    }
  }

  async #note<T extends Exclude<FactType, `job.${string}`>>(
    type: T,
    stream: string,
    data: FactData<T>,
  ): Promise<void> {
    await this.#parts.machine.life
      ?.ask({ kind: 'Note', type, stream, data } as PlainCommand, 'controller')
      // The life ended first: it is tried again, or it was not worth it.
      .catch(() => undefined);
  }

  #terms(draw: Random): TenantTerms {
    return {
      ...defaultTerms,
      capabilities: [...defaultTerms.capabilities],
      unsigned: true,
      jobsMax: 1 + draw.below(4),
      queuedMax: 2 + draw.below(12),
      slicesMax: 3 + draw.below(8),
      weight: 1 + draw.below(3),
    };
  }
}
