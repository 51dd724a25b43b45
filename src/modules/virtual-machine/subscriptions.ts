/** `virtualMachineChanged`: one machine, or all of a project. */
import { isEverywhere, isWithin } from '../../core/authz.js';
import { BadRequestError } from '../../errors.js';
import { changeSubscription } from '../../graphql/change-subscription.js';
import { uuidOf } from '../../graphql/node.js';
import { ProjectEntity } from '../project/queries.js';
import { VirtualMachineEntity } from './queries.js';

changeSubscription('virtualMachineChanged', VirtualMachineEntity, 'virtualMachine', {
  description:
    'A virtual machine, or those of a project: first as they are, then each change. Give exactly one of the two.',
  args: (t) => ({
    id: t.arg.id({ description: 'This machine.' }),
    projectId: t.arg.id({ description: 'All machines of this project that you may see.' }),
  }),
  select({ id, projectId }, { viewer }) {
    if ((id == null) === (projectId == null))
      throw new BadRequestError('Give either "id" or "projectId".', ['id']);
    if (id != null) {
      const vm = uuidOf('VirtualMachine', id);
      return {
        where: { id: vm },
        matches: (hint) => hint.id === vm && seesProject(hint.projectId),
      };
    }
    const project = uuidOf('Project', projectId ?? '', ['projectId']);
    return {
      where: { projectId: project },
      matches: (hint) => hint.projectId === project && seesProject(project),
      within: { entity: ProjectEntity, id: project, path: ['projectId'] },
    };

    function seesProject(of: string | null): boolean {
      return viewer !== null && (of === null ? isEverywhere(viewer) : isWithin(viewer, of));
    }
  },
});
