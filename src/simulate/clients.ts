/**
 * Clients: each wants one job to run, asks until it knows that it was taken, may cancel it, and looks how it goes.
 *
 * Why they retry with one key: the answer to the first request may be what got lost. What a client is told it
 * remembers: another id for the same key would be a second run of its job (I15), and another tenant's job must look
 * as if it were not there (I16).
 */
import type { JobSpec } from '../events/spec.ts';
import type { Answer } from '../intake/answer.ts';
import { boards } from '../slots/boards.ts';
import { fleetOfPreset } from '../slots/fleet-setting.ts';
import type { JobView } from '../views/job-view.ts';
import { missingSha256, moduleSha256, spoiltSha256 } from './blobs.ts';
import type { Kernel } from './kernel.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { SimulationOptions } from './options.ts';
import type { Random } from './random.ts';

export const tenants = ['acme', 'globex', 'initech'] as const;

/** Requests that one client sends for one thing at most; then it gives up. */
const triesMax = 12;
/** Times that a client looks at its job at most. */
const looksMax = 12;
/** How long a client waits for an answer, ms. */
const patienceMs = 400;

type Wanted = Partial<Omit<JobSpec, 'limits' | 'attempts'>> & { limits: object; attempts: object };

interface ClientParts {
  readonly kernel: Kernel;
  readonly machine: Machine;
  readonly network: Network;
  readonly options: SimulationOptions;
  readonly random: Random;
}

export class Clients {
  /** Clients that still want something. */
  busy = 0;
  readonly accepted = new Set<string>();
  #arrived = 0;
  readonly #parts: ClientParts;
  readonly #arrivals: Random;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#arrivals = parts.random.fork('arrivals');
  }

  get allArrived(): boolean {
    return this.#arrived === this.#parts.options.jobs;
  }

  /** Clients come, one after the other. */
  open(): void {
    const { kernel, options } = this.#parts;
    if (this.allArrived) return;
    this.#arrived += 1;
    this.busy += 1;
    new Client(this.#parts, this, this.#arrived).submit();
    kernel.after(this.#arrivals.wait(options.arrivalMs), () => this.open());
  }
}

class Client {
  readonly #parts: ClientParts;
  readonly #all: Clients;
  readonly #random: Random;
  readonly #tenant: string;
  readonly #key: string | null;
  readonly #text: string;
  #id: string | null = null;
  #tries = 0;
  #looks = 0;
  #done = false;
  #offPatience: () => void = () => undefined;

  constructor(parts: ClientParts, all: Clients, number: number) {
    this.#parts = parts;
    this.#all = all;
    this.#random = parts.random.fork(number);
    this.#tenant = this.#random.pick(tenants);
    this.#key = this.#random.chance(0.85) ? `key-${number}` : null;
    this.#text = JSON.stringify({ job: wantedJob(this.#random, parts) });
  }

  submit(): void {
    this.#tries += 1;
    const { kernel } = this.#parts;
    this.#offPatience();
    this.#offPatience = kernel.after(patienceMs, () => this.#again());
    this.#send(this.#key, this.#text, (answer) => this.#heard(answer));
  }

  #send(key: string | null, text: string, heard: (answer: Answer | null) => void): void {
    const { machine, network } = this.#parts;
    const identity = { tenant: this.#tenant, admin: false };
    const submission = {
      text,
      form: 'json',
      identity,
      idempotencyKey: key,
      trace: null,
      via: 'http',
    } as const;
    network.send(() => machine.ask(this.#tenant, (door) => door.submit(submission)), heard);
  }

  #heard(answer: Answer | null): void {
    if (answer?.status === 202) {
      this.#taken((answer.body as JobView).id);
      return;
    }
    if (this.#id !== null || this.#done) return;
    if (answer === null) return;
    const { retryable } = answer.body as { retryable: boolean };
    this.#offPatience();
    if (!retryable) {
      this.#giveUp('refused for good');
      return;
    }
    this.#offPatience = this.#parts.kernel.after(this.#random.between(20, 200), () => this.#again());
  }

  /** Nothing was heard, or "not now". Without a key a second request could be a second job. */
  #again(): void {
    if (this.#id !== null || this.#done) return;
    if (this.#tries >= triesMax || this.#key === null) this.#giveUp('gave up');
    else this.submit();
  }

  #giveUp(how: string): void {
    this.#parts.machine.witness.count(`clients ${how}`);
    this.#finish();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#offPatience();
    this.#all.busy -= 1;
  }

  #taken(id: string): void {
    const { kernel, machine, options } = this.#parts;
    const { witness } = machine;
    if (this.#id !== null) {
      // Without a key each copy of a doubled request is a job of its own, and that is no fault.
      if (this.#key !== null && this.#id !== id && this.#isKnown(this.#id) && this.#isKnown(id))
        witness.fail('I15', `the key ${this.#key} was answered with ${this.#id} and with ${id}`);
      return;
    }
    this.#id = id;
    this.#offPatience();
    this.#all.accepted.add(id);
    witness.count('jobs accepted');
    const random = this.#random;
    const { cancels, snoops } = options.faults;
    if (random.chance(cancels)) kernel.after(random.between(0, 200), () => this.#cancel(id));
    if (random.chance(snoops)) kernel.after(random.between(0, 100), () => this.#snoop(id));
    if (random.chance(0.1)) kernel.after(random.between(0, 300), () => this.#repeat(id));
    if (random.chance(0.5)) this.#look(id);
    else this.#finish();
  }

  /** A job that ended long ago is forgotten, and so is its key. */
  #isKnown(id: string): boolean {
    return this.#parts.machine.witness.ledger.knows(id);
  }

  #cancel(id: string): void {
    const { machine, network } = this.#parts;
    const identity = { tenant: this.#tenant, admin: false };
    machine.witness.count('cancels asked');
    network.send(
      () => machine.ask(this.#tenant, (door) => door.cancel(id, identity)),
      (answer) => {
        if (answer?.status === 404 && this.#isKnown(id))
          machine.witness.fail('I1', `${id} was accepted, and its cancel finds no job`);
      },
    );
  }

  /** Another tenant asks for this job: to it there is none. */
  #snoop(id: string): void {
    const { machine, network } = this.#parts;
    const other = this.#random.pick(tenants.filter((tenant) => tenant !== this.#tenant));
    const identity = { tenant: other, admin: false };
    const reads = this.#random.chance(0.5);
    network.send(
      () => machine.ask(other, (door) => (reads ? door.job(id, identity) : door.cancel(id, identity))),
      (answer) => {
        if (answer !== null && answer.status !== 404 && answer.status !== 503)
          machine.witness.fail('I16', `${other} was answered ${answer.status} for ${id} of ${this.#tenant}`);
        machine.witness.count('foreign ids asked for');
      },
    );
  }

  /** The same request once more: the same job. Another job under the same key: refused. */
  #repeat(id: string): void {
    if (this.#key === null) return;
    const { witness } = this.#parts.machine;
    const same = this.#random.chance(0.6);
    const text = same ? this.#text : this.#text.replace('"args":[]', '"args":["other"]');
    this.#send(this.#key, text, (answer) => {
      if (answer === null || answer.status === 503 || !this.#isKnown(id)) return;
      witness.count(same ? 'requests repeated' : 'keys used again');
      if (same && (answer.status !== 202 || (answer.body as JobView).id !== id))
        witness.fail('I15', `${id}, asked for again, was answered ${answer.status}`);
      if (!same && answer.status !== 422)
        witness.fail('I15', `another job with the key of ${id} was answered ${answer.status}`);
    });
  }

  #look(id: string): void {
    const { kernel, machine, network } = this.#parts;
    this.#looks += 1;
    if (this.#looks > looksMax) {
      this.#finish();
      return;
    }
    const identity = { tenant: this.#tenant, admin: false };
    network.send(
      () => machine.ask(this.#tenant, (door) => door.job(id, identity)),
      (answer) => {
        if (answer?.status === 404 && this.#isKnown(id))
          machine.witness.fail('I1', `${id} was accepted, and there is no such job`);
        if (answer?.status !== 200 || (answer.body as JobView).times.endedAtMs === null) return;
        machine.witness.count('ends told');
        this.#finish();
      },
    );
    kernel.after(this.#random.between(50, 400), () => (this.#done ? undefined : this.#look(id)));
  }
}

/** What a client asks for: mostly small, sometimes too much. */
function wantedJob(random: Random, { options }: ClientParts): Wanted {
  const [gpu] = fleetOfPreset(options.fleet);
  const profiles = boards[gpu?.board ?? '']?.profiles.map(({ name }) => name) ?? [];
  const small = profiles.slice(0, 3);
  const { spoiltBlobs } = options.faults;
  const module = random.chance(spoiltBlobs) ? random.pick([spoiltSha256, missingSha256]) : moduleSha256;
  return {
    module: `sha256:${module}`,
    slot: random.chance(0.02) ? '9g.999gb' : random.chance(0.9) ? random.pick(small) : random.pick(profiles),
    gpus: random.chance(0.1) ? 2 : 1,
    args: [],
    attempts: { max: 1 + random.below(3), backoffMs: random.pick([0, 20, 100]) },
    limits: {
      queueMs: random.pick([150, 1_000, 5_000]),
      startMs: random.pick([40, 150, 2_000]),
      wallMs: random.pick([60, 200]),
    },
  };
}
