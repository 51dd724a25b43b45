/** Users: administrators see all, everybody sees themselves. */
import { defineEntity, owned } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const UserEntity = defineEntity({
  type: 'User',
  model: 'user',
  label: 'username',
  visibility: owned('id', 'user:read'),
  projectColumn: null,
});

export const UserRoleEnum = builder.enumType('UserRole', {
  description: 'What a user may do; see the table of permissions.',
  values: {
    ADMIN: { value: enums.UserRole.ADMIN, description: 'Everything.' },
    OPERATOR: {
      value: enums.UserRole.OPERATOR,
      description: 'Works in its projects and reads infrastructure.',
    },
    VIEWER: { value: enums.UserRole.VIEWER, description: 'Reads its projects and infrastructure.' },
  },
});

export const users = declareList(UserEntity, {
  filter: {
    username: text(),
    email: text(),
    role: oneOf('UserRole', UserRoleEnum),
    enabled: flag(),
    createdAt: range(),
    lastLogin: range(),
  },
  order: { USERNAME: 'username', CREATED_AT: 'createdAt' },
});
