/** What every runner of jobs has to agree on. A job is known by its task: told twice, it is the same job. */
import type { AgentReportMutation, JobReportInput } from '../gen/api/graphql.js';

type Answer = Extract<AgentReportMutation['reportNode'], { __typename: 'ReportNodePayload' }>;

/** What the control plane tells of one job. */
export type Job = Answer['jobs'][number];

/** Nothing here waits: results show in `observe()`. */
export interface JobRunner {
  /**
   * Begins what is new, stops what is to be cancelled, and forgets what is not listed any more: the control plane has
   * taken note of its end.
   */
  sync(jobs: readonly Job[]): void;
  /** Every job known here, ended ones until they are forgotten. */
  observe(): JobReportInput[];
  close(): void;
}
