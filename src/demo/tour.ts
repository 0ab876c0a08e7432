/**
 * The tour: plays scenarios one after the other, each setting on a fresh controller, and asks the judge after each.
 *
 * Why a scenario passes only when both agree: the answers that it got were right, and the judge, who did not
 * see them, finds the same in the log. After a failure the next scenario gets a fresh controller, so that one
 * fault is told once. Test: `test/demo.serial.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { GpuView } from '../views/slots-view.ts';
import type { Case, Verdict } from './judge.ts';
import { DemoServer, type Environment, JudgeProcess, type Leftovers } from './processes.ts';
import type { Expectation, Played, Scenario, Setting } from './scenario.ts';
import { settings } from './scenarios.ts';
import { Stage } from './stage.ts';

/** How one scenario went. */
export interface Outcome {
  readonly name: string;
  readonly learns: string;
  readonly setting: Setting;
  readonly passed: boolean;
  readonly ms: number;
  /** Role → states that the job walked, the most telling job first. */
  readonly walks: Verdict['walks'];
  /** What was checked on the way. */
  readonly steps: readonly string[];
  /** What was not as promised. */
  readonly findings: readonly string[];
}

/** A controller that has begun or ended. */
export interface Opened {
  readonly setting: Setting;
  readonly url: string;
  readonly data: string;
  /** `1 × A30-24GB (simulated)`: as the controller itself says over HTTP. */
  readonly fleet: string;
}
export interface Closed {
  readonly setting: Setting;
  readonly passed: boolean;
  /** Facts in its log. */
  readonly facts: number;
  readonly findings: readonly string[];
}

export interface TourParts {
  readonly clock: Clock;
  readonly env: Environment;
  readonly leftovers: Leftovers;
  readonly onOpened: (opened: Opened) => Promise<void>;
  readonly onOutcome: (outcome: Outcome) => Promise<void>;
  readonly onClosed: (closed: Closed) => Promise<void>;
}

/** Plays scenarios in the order given; those that share a setting stand together. */
export async function tour(scenarios: readonly Scenario[], parts: TourParts): Promise<void> {
  const judge = new JudgeProcess(parts.leftovers, process.cwd(), parts.env);
  let act: Act | null = null;
  for (const scenario of scenarios) {
    if (act && act.setting !== scenario.setting) {
      await parts.onClosed(await act.close());
      act = null;
    }
    act ??= await Act.open(scenario.setting, judge, parts);
    const outcome = await act.play(scenario);
    await parts.onOutcome(outcome);
    if (outcome.passed) continue;
    await act.abandon();
    act = null;
  }
  if (act) await parts.onClosed(await act.close());
  judge.end();
}

/** Of each line that a controller wrote, a report shows so much. */
const wordsCharsMax = 400;

const nothing: Played = { jobs: {} };

/** One controller with the scenarios that are played against it. */
export class Act {
  readonly setting: Setting;
  readonly #server: DemoServer;
  readonly #stage: Stage;
  readonly #judge: JudgeProcess;
  readonly #clock: Clock;
  /** Last seq that was judged. */
  #judgedSeq = 0;

  static async open(setting: Setting, judge: JudgeProcess, parts: TourParts): Promise<Act> {
    const { clock, env, leftovers, onOpened } = parts;
    const server = await DemoServer.make(leftovers, { flags: settings[setting], env, clock });
    const act = new Act(setting, server, judge, clock);
    const { gpus } = await (await act.#stage.client('admin')).json<{ gpus: GpuView[] }>('GET', '/v1/slots');
    const { data, url } = server;
    await onOpened({ setting, url, data, fleet: fleetOf(gpus) });
    // A fresh log begins with one life and no job.
    await act.judged({ jobs: {}, controller: 'recovered configured' }, nothing);
    return act;
  }

  private constructor(setting: Setting, server: DemoServer, judge: JudgeProcess, clock: Clock) {
    this.setting = setting;
    this.#server = server;
    this.#judge = judge;
    this.#clock = clock;
    this.#stage = new Stage(server, clock);
  }

  async play(scenario: Scenario): Promise<Outcome> {
    const { name, learns, setting, expect } = scenario;
    const fromMs = this.#clock.monotonicMs();
    this.#stage.steps.length = 0;
    const result = await this.#playAndJudge(scenario, expect).catch((error: Error) => ({
      findings: [error.message, ...tailOf(this.#server.words)],
      walks: {},
    }));
    const { findings, walks } = result;
    const ms = Math.round(this.#clock.monotonicMs() - fromMs);
    return {
      name,
      learns,
      setting,
      passed: findings.length === 0,
      ms,
      walks,
      steps: [...this.#stage.steps],
      findings,
    };
  }

  async #playAndJudge(scenario: Scenario, expectation: Expectation): Promise<Verdict> {
    return this.judged(expectation, await scenario.play(this.#stage));
  }

  /** Asks the judge about all that happened since it was last asked. */
  async judged(
    expectation: Expectation,
    { jobs, results = {} }: Played,
    url: string | null = this.#server.url,
  ) {
    const { data } = this.#server;
    const asked: Case = { data, url, fromSeq: this.#judgedSeq + 1, expectation, jobs, results };
    const verdict = await this.#judge.judge(asked);
    this.#judgedSeq = verdict.headSeq;
    return verdict;
  }

  /** Stops the controller as a user does and has its log judged once more, as it lies there for ever. */
  async close(): Promise<Closed> {
    const { setting } = this;
    try {
      await this.#stage.halt('SIGTERM');
      const { findings, headSeq } = await this.judged(
        { jobs: {}, controller: 'draining stopped' },
        nothing,
        null,
      );
      return { setting, passed: findings.length === 0, facts: headSeq, findings };
    } catch (error) {
      const findings = [(error as Error).message, ...tailOf(this.#server.words)];
      return { setting, passed: false, facts: this.#judgedSeq, findings };
    }
  }

  /** Ends a controller in which something went wrong. */
  async abandon(): Promise<void> {
    await this.#server.halt('SIGKILL');
  }
}

function fleetOf(gpus: readonly GpuView[]): string {
  const kinds = new Map<string, number>();
  for (const { board, enforcement } of gpus) {
    const kind = `${board}, slots ${enforcement}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, count]) => `${count} × ${kind}`).join('; ');
}

/** The last lines that the controller wrote, for whoever must find out. */
const tailOf = (words: string): string[] => {
  const lines = words.trim().split('\n').slice(-3);
  return lines[0] === '' ? [] : lines.map((line) => `controller: ${line.slice(0, wordsCharsMax)}`);
};
