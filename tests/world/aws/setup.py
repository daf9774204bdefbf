"""What an administrator does at AWS before a gateway can: a user who may read secrets, and secrets.

Usage: setup.py ENDPOINT user | enforce | secret NAME VALUE
"""

import json
import sys
import urllib.request

import boto3

ENDPOINT, WHAT = sys.argv[1:3]
NEVER = "100000"


def enforce_after(actions):
    """moto answers so many more actions without asking who it is."""
    url = f"{ENDPOINT}/moto-api/reset-auth"
    plain = {"Content-Type": "text/plain"}
    request = urllib.request.Request(url, data=actions.encode(), headers=plain)
    urllib.request.urlopen(request)


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT)


if WHAT == "user":
    enforce_after(NEVER)
    iam = client("iam")
    iam.create_user(UserName="gateway")
    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    iam.put_user_policy(
        UserName="gateway", PolicyName="read", PolicyDocument=json.dumps(policy)
    )
    key = iam.create_access_key(UserName="gateway")["AccessKey"]
    print(key["AccessKeyId"], key["SecretAccessKey"])
elif WHAT == "secret":
    name, value = sys.argv[3:5]
    enforce_after(NEVER)
    manager = client("secretsmanager")
    try:
        manager.create_secret(Name=name, SecretString=value)
    except manager.exceptions.ResourceExistsException:
        manager.put_secret_value(SecretId=name, SecretString=value)
    enforce_after("0")
elif WHAT == "enforce":
    enforce_after("0")
