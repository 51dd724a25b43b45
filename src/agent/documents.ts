/** What the agent asks of the API. The types are generated from these. */
import { graphql } from '../gen/api/gql.js';

export const WhoAmI = graphql(`
  query AgentWhoAmI {
    viewer { name role hypervisorNodeId }
  }
`);

export const Report = graphql(`
  mutation AgentReport($input: ReportNodeInput!) {
    reportNode(input: $input) {
      __typename
      ... on ReportNodePayload {
        accepted
        reportIntervalMs
        unknownVirtualMachineIds
        assignments {
          virtualMachineId name desiredState operation generation force graceMs vcpus memoryMib guestOs
        }
        jobs {
          taskId operation cancel virtualMachineId snapshotId targetNodeId imageId storagePoolId sourceUrl checksum format
          poolConfiguration
          volumes { volumeId storagePoolId sizeBytes provisioning sourceType sourceId linked }
        }
      }
      ... on UserError { code message }
    }
  }
`);

export const FindCluster = graphql(`
  query AgentFindCluster {
    clusters(first: 1) { nodes { id name } }
  }
`);

export const FindNode = graphql(`
  query AgentFindNode($hostname: String!) {
    hypervisorNodes(first: 1, filter: { hostname: { eq: $hostname } }) { nodes { id } }
  }
`);

export const RegisterNode = graphql(`
  mutation AgentRegisterNode($input: RegisterHypervisorNodeInput!) {
    registerHypervisorNode(input: $input) {
      __typename
      ... on RegisterHypervisorNodePayload { hypervisorNode { id } }
      ... on UserError { code message }
    }
  }
`);

export const IssueToken = graphql(`
  mutation AgentIssueToken($input: IssueAgentTokenInput!) {
    issueAgentToken(input: $input) {
      __typename
      ... on IssueAgentTokenPayload { token }
      ... on UserError { code message }
    }
  }
`);

export const Enrol = graphql(`
  mutation AgentEnrol($input: EnrolHypervisorNodeInput!) {
    enrolHypervisorNode(input: $input) {
      __typename
      ... on EnrolHypervisorNodePayload { token hypervisorNodeId }
      ... on UserError { code message }
    }
  }
`);
