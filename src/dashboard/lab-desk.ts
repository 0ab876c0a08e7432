/**
 * What the Lab remembers while another view is looked at: the form as it was filled in, and how each failure went.
 *
 * Why apart from the view: "watch it" leads away to the job, and whoever comes back wants to find the card green or red and
 * the form as it was. Test: `test/dashboard/lab-desk.test.ts`.
 */
import { type LabPort, runScenario, type Scenario, type Verdict } from './lab-run.ts';

/** How far a scenario has come: a step by its number, the number of steps while tidying up, or its verdict. */
export type Progress = { readonly step: number } | { readonly verdict: Verdict };

export class LabDesk<Form> {
  readonly #progress = new Map<string, Progress>();
  readonly #listeners = new Set<() => void>();
  #waiting: readonly Scenario[] = [];
  #isRunning = false;
  form: Form;

  constructor(form: Form) {
    this.form = form;
  }

  /** Scenarios share one fleet, so only one is played at a time. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  of(name: string): Progress | null {
    return this.#progress.get(name) ?? null;
  }

  /** Played so far, and how many of them were as promised. */
  get score(): { readonly played: number; readonly good: number } {
    const verdicts = [...this.#progress.values()].flatMap((each) =>
      'verdict' in each ? [each.verdict] : [],
    );
    return { played: verdicts.length, good: verdicts.filter(({ isAsPromised }) => isAsPromised).length };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Plays these, one after the other. Does nothing while others are played. */
  async play(scenarios: readonly Scenario[], port: LabPort): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#waiting = scenarios;
    for (const { name } of scenarios) this.#progress.delete(name);
    while (this.#waiting.length > 0) {
      const [next, ...rest] = this.#waiting as [Scenario, ...Scenario[]];
      this.#waiting = rest;
      const verdict = await runScenario(next, port, (step) => this.#set(next.name, { step }));
      this.#isRunning = this.#waiting.length > 0;
      this.#set(next.name, { verdict });
    }
    this.#isRunning = false;
  }

  /** Plays no further one; the present one goes on to its end. */
  stop(): void {
    this.#waiting = [];
    this.#tell();
  }

  #set(name: string, progress: Progress): void {
    this.#progress.set(name, progress);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
